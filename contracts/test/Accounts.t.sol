// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccounts} from "../src/interfaces/IAccounts.sol";
import {IBatches} from "../src/interfaces/IBatches.sol";
import {IConsortium} from "../src/interfaces/IConsortium.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Traders, deposits and quotas
contract AccountsTest is MarketTest {
    // Traders

    function test_tradersGetConsecutiveNumbersBelowTheirMaster() public {
        bytes32[] memory pseudonyms = new bytes32[](2);
        (pseudonyms[0], pseudonyms[1]) = ("one", "two");
        uint8[] memory zones = new uint8[](2);
        (zones[0], zones[1]) = (3, 255);
        vm.expectEmit(address(market));
        emit IAccounts.TraderRegistered(TRADERS + 1, 4, "one", 3);
        vm.prank(USER);
        assertEq(market.registerTraders(pseudonyms, zones), TRADERS + 1, "the first number");
        assertEq(market.traderOf(4, "two"), TRADERS + 2, "the second number");
        assertEq(market.trader(TRADERS + 2).masterId, 4, "its master");
        assertEq(market.trader(TRADERS + 2).zone, 255, "its zone");
        assertEq(market.traderCount(), TRADERS + 2, "all traders");
    }

    function test_aPseudonymIsUsedOnceAndIsNotZero() public {
        bytes32[] memory pseudonyms = new bytes32[](1);
        for (uint256 i; i < 2; ++i) {
            pseudonyms[0] = i == 0 ? bytes32(0) : keccak256(abi.encode(3));
            vm.expectRevert(abi.encodeWithSelector(IAccounts.PseudonymNotFree.selector, pseudonyms[0]));
            vm.prank(USER);
            market.registerTraders(pseudonyms, _oneZone(0));
        }
    }

    /// @dev Whoever sees a registration on its way and is faster gets an account of its own, and nothing of the other's.
    function test_aPseudonymThatAnotherMasterRegisteredFirstIsNotTaken() public {
        bytes32[] memory pseudonyms = new bytes32[](1);
        pseudonyms[0] = "anna";
        vm.prank(GRID);
        uint32 copied = market.registerTraders(pseudonyms, _oneZone(0));
        vm.prank(USER);
        uint32 own = market.registerTraders(pseudonyms, _oneZone(0));
        assertEq(market.traderOf(4, "anna"), own, "below its master");
        assertEq(market.traderOf(2, "anna"), copied, "below the other");
        assertEq(market.trader(own).masterId, 4, "its master");
        assertTrue(own != copied, "two accounts");
    }

    function test_everyTraderNeedsAZone() public {
        vm.expectRevert(abi.encodeWithSelector(IBatches.LengthsDiffer.selector));
        vm.prank(USER);
        market.registerTraders(new bytes32[](2), _oneZone(0));
    }

    function test_anUnknownTraderIsNamed() public {
        bytes memory reason = abi.encodeWithSelector(IAccounts.UnknownTrader.selector, TRADERS + 1);
        vm.expectRevert(reason);
        market.trader(TRADERS + 1);
        vm.expectRevert(reason);
        market.position(TRADERS + 1, PERIOD);
        vm.expectRevert(reason);
        _deposit(GRID, TRADERS + 1, 1);
    }

    // Money

    function test_theSettlementAgentCreditsDepositsAndDebitsWithdrawals() public {
        (uint128 creditedBefore,) = market.moneyMoved();
        vm.expectEmit(address(market));
        emit IAccounts.Deposited(SELLER, 70, "payment");
        _deposit(GRID, SELLER, 70);
        vm.expectEmit(address(market));
        emit IAccounts.Withdrawn(SELLER, 50, "payment");
        vm.prank(GRID);
        market.withdraw(SELLER, 50, "payment");
        (uint128 credited, uint128 debited) = market.moneyMoved();
        assertEq(credited - creditedBefore, 70, "credited");
        assertEq(debited, 50, "debited");
        assertEq(market.trader(SELLER).freeMoney, DEPOSIT + 20, "free money");
    }

    function test_nobodyElseCreditsOrDebits() public {
        bytes memory reason = abi.encodeWithSelector(IAccounts.NotSettlementAgent.selector, SOURCE);
        vm.expectRevert(reason);
        _deposit(SOURCE, SELLER, 1);
        vm.expectRevert(reason);
        vm.prank(SOURCE);
        market.withdraw(SELLER, 1, "payment");
        vm.expectRevert(abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, REGULATOR));
        _deposit(REGULATOR, SELLER, 1);
    }

    function test_aNewSettlementAgentTakesOver() public {
        _carry(abi.encodeCall(IConsortium.changeSettlementAgent, (1)));
        _deposit(SOURCE, SELLER, 1);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotSettlementAgent.selector, GRID));
        _deposit(GRID, SELLER, 1);
    }

    function test_heldMoneyCannotBeWithdrawnOrMoved() public {
        _ask(SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        uint96 free = DEPOSIT - uint96(WH) * TICKS;
        bytes memory reason = abi.encodeWithSelector(IAccounts.NotEnoughMoney.selector, BUYER, free, free + 1);
        vm.expectRevert(reason);
        vm.prank(GRID);
        market.withdraw(BUYER, free + 1, "payment");
        vm.expectRevert(reason);
        vm.prank(USER);
        market.moveDeposit(BUYER, BUYER + 4, free + 1);
    }

    function test_aMasterMovesDepositsBetweenItsOwnTraders() public {
        vm.expectEmit(address(market));
        emit IAccounts.DepositMoved(BUYER, BUYER + 4, DEPOSIT);
        vm.prank(USER);
        market.moveDeposit(BUYER, BUYER + 4, DEPOSIT);
        assertEq(market.trader(BUYER).freeMoney, 0, "moved from");
        assertEq(market.trader(BUYER + 4).freeMoney, 2 * DEPOSIT, "moved to");
        vm.prank(USER);
        market.moveDeposit(BUYER + 4, BUYER + 4, DEPOSIT);
        assertEq(market.trader(BUYER + 4).freeMoney, 2 * DEPOSIT, "moved to itself");
    }

    function test_depositsOfOtherMastersCannotBeMoved() public {
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotYourTrader.selector, SELLER));
        vm.prank(USER);
        market.moveDeposit(SELLER, BUYER, 1);
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotYourTrader.selector, SELLER));
        vm.prank(USER);
        market.moveDeposit(BUYER, SELLER, 1);
    }

    // Quotas

    function test_aQuotaCannotFallBelowWhatIsHeldAndSold() public {
        for (uint256 i; i < 2; ++i) {
            _ask(SELLER, TICKS, WH);
            _bid(BUYER, TICKS, WH);
        }
        _confirmBoth(1);
        _settle(1);
        vm.expectRevert(
            abi.encodeWithSelector(IAccounts.QuotaTooSmall.selector, SELLER, uint256(PERIOD), uint256(2 * WH))
        );
        vm.prank(SOURCE);
        _setOneQuota(SELLER, PERIOD, 2 * WH - 1);
        vm.expectEmit(address(market));
        emit IAccounts.QuotaSet(SELLER, PERIOD, 2 * WH);
        _setQuota(SELLER, 2 * WH);
    }

    function test_oneCallSetsTheQuotasOfManyPeriods() public {
        uint24[] memory periods = new uint24[](3);
        uint32[] memory traders = new uint32[](3);
        uint48[] memory quotas = new uint48[](3);
        for (uint24 i; i < 3; ++i) {
            (periods[i], traders[i], quotas[i]) = (PERIOD + i, SELLER, 100 + i);
        }
        vm.prank(SOURCE);
        market.setQuotas(periods, traders, quotas);
        for (uint24 i; i < 3; ++i) {
            assertEq(market.position(SELLER, PERIOD + i).quotaWh, 100 + i, "quota of its period");
        }
    }

    function test_onlyItsMasterSetsAQuota() public {
        vm.expectRevert(abi.encodeWithSelector(IAccounts.NotYourTrader.selector, SELLER));
        vm.prank(USER);
        _setOneQuota(SELLER, PERIOD, 0);
    }

    function test_listsOfABatchHaveTheSameLength() public {
        vm.expectRevert(abi.encodeWithSelector(IBatches.LengthsDiffer.selector));
        vm.prank(GRID);
        market.deposit(new uint32[](1), new uint96[](2), "payment");
        vm.expectRevert(abi.encodeWithSelector(IBatches.LengthsDiffer.selector));
        vm.prank(GRID);
        market.setQuotas(new uint24[](1), new uint32[](1), new uint48[](2));
        vm.expectRevert(abi.encodeWithSelector(IBatches.LengthsDiffer.selector));
        vm.prank(GRID);
        market.setQuotas(new uint24[](2), new uint32[](1), new uint48[](1));
    }

    function _deposit(address agent, uint32 trader, uint96 money) private {
        (uint32[] memory traders, uint96[] memory moneys) = (new uint32[](1), new uint96[](1));
        (traders[0], moneys[0]) = (trader, money);
        vm.prank(agent);
        market.deposit(traders, moneys, "payment");
    }
}
