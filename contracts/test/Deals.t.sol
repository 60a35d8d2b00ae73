// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsortium, Settings} from "../src/interfaces/IConsortium.sol";
import {Trader} from "../src/interfaces/IAccounts.sol";
import {DealState, IEnergyMarket, Reason} from "../src/interfaces/IEnergyMarket.sol";
import {OrderId, Side} from "../src/types/OrderId.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/// @title Deals: intent, cooling-off, settlement
contract DealsTest is MarketTest {
    uint96 private constant MONEY = uint96(WH) * TICKS;

    OrderId private _askId;
    OrderId private _bidId;

    /// @dev Deal 1: the seller (below the source master) sells WH at TICKS to the buyer (below the user master).
    function setUp() public override {
        super.setUp();
        _askId = _ask(SELLER, TICKS, WH);
        _bidId = _bid(BUYER, TICKS, WH);
    }

    function test_anIntentHoldsMoneyAndQuota() public view {
        _assertState(1, DealState.Intent);
        _assertMoney(BUYER, DEPOSIT - MONEY, MONEY);
        assertEq(market.position(SELLER, PERIOD).heldWh, WH, "held of the quota");
        assertEq(market.deal(1).confirmBefore, block.timestamp + COOLING_OFF, "cooling-off");
    }

    // Confirming

    function test_oneConfirmationDoesNotBind() public {
        vm.expectEmit(address(market));
        emit IEnergyMarket.PartyConfirmed(1, Side.Ask);
        _confirm(SOURCE, 1, Side.Ask);
        _assertState(1, DealState.Intent);
        assertTrue(market.deal(1).sellerConfirmed, "the seller has");
        assertFalse(market.deal(1).buyerConfirmed, "the buyer has not");
    }

    function test_bothConfirmationsBindInEitherOrder() public {
        _confirm(USER, 1, Side.Bid);
        vm.expectEmit(address(market));
        emit IEnergyMarket.DealConfirmed(1);
        _confirm(SOURCE, 1, Side.Ask);
        _assertState(1, DealState.Confirmed);
        _assertMoney(BUYER, DEPOSIT - MONEY, MONEY);
    }

    function test_nobodyConfirmsTwice() public {
        _confirm(SOURCE, 1, Side.Ask);
        _expectDealPassedOver(1, Reason.ConfirmedAlready);
        _confirm(SOURCE, 1, Side.Ask);
    }

    function test_nobodyConfirmsForAPartyOfAnotherMaster() public {
        _expectDealPassedOver(1, Reason.NotYourDeal);
        _confirm(USER, 1, Side.Ask);
        _expectDealPassedOver(1, Reason.NotYourDeal);
        _confirm(GRID, 1, Side.Bid);
    }

    function test_theLastSecondOfTheCoolingOffTimeStillConfirms() public {
        vm.warp(block.timestamp + COOLING_OFF);
        _confirmBoth(1);
        _assertState(1, DealState.Confirmed);
    }

    function test_afterTheCoolingOffTimeNobodyConfirms() public {
        vm.warp(block.timestamp + COOLING_OFF + 1);
        _expectDealPassedOver(1, Reason.WrongState);
        _confirm(SOURCE, 1, Side.Ask);
    }

    function test_withoutCoolingOffADealBindsAtOnce() public {
        _setCoolingOff(0);
        _ask(SELLER, TICKS, WH);
        vm.expectEmit(address(market));
        emit IEnergyMarket.DealConfirmed(2);
        _bid(BUYER, TICKS, WH);
        _assertState(2, DealState.Confirmed);
        _settle(2);
    }

    function test_theCoolingOffTimeEndsWhenTheGateClosesAtTheLatest() public {
        _setCoolingOff(type(uint32).max);
        _ask(SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        assertEq(market.deal(2).confirmBefore, uint256(PERIOD) * 900 - GATE_LEAD, "until the gate closes");
    }

    function test_aDealThatCannotBeConfirmedKeepsNoOtherFromIt() public {
        _ask(SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        uint64[] memory dealIds = new uint64[](2);
        (dealIds[0], dealIds[1]) = (3, 1);
        _expectDealPassedOver(3, Reason.WrongState);
        vm.prank(SOURCE);
        market.confirm(dealIds, Side.Ask);
        assertTrue(market.deal(1).sellerConfirmed, "the other");
        dealIds[0] = 2;
        _expectDealPassedOver(1, Reason.ConfirmedAlready);
        vm.prank(SOURCE);
        market.confirm(dealIds, Side.Ask);
        assertTrue(market.deal(2).sellerConfirmed, "the other");
    }

    // Abandoning

    function test_anAbandonedDealGivesEverythingBack() public {
        vm.expectEmit(address(market));
        emit IEnergyMarket.DealAbandoned(1, Side.Bid);
        _abandon(USER, 1, Side.Bid);
        _assertState(1, DealState.Abandoned);
        _assertMoney(BUYER, DEPOSIT, 0);
        assertEq(market.position(SELLER, PERIOD).heldWh, 0, "quota free again");
        _assertOpen(_askId, WH);
    }

    function test_whoAbandonsLosesTheTurn() public {
        OrderId larger = _bid(BUYER, TICKS + 1, 2 * WH);
        _assertOpen(larger, 2 * WH);
        vm.expectEmit(address(market));
        emit IEnergyMarket.TurnLost(_bidId);
        _abandon(USER, 1, Side.Bid);
        assertEq(market.order(_bidId).energyTypes, 0, "its order is gone");
        _assertOpen(larger, 2 * WH);
    }

    /// @dev As an attack: 17 bids at the cap, each abandoned in its last second, held an ask for 80 minutes for nothing.
    function test_aMasterLetsAnOrderDownOnce() public {
        for (uint256 i; i < 16; ++i) {
            _bid(BUYER, CAP, WH);
        }
        OrderId honest = _bid(OTHER_BUYER, TICKS, WH);
        vm.warp(block.timestamp + COOLING_OFF);
        _abandon(USER, 1, Side.Bid);
        vm.prank(GRID);
        (, bool goesOn) = market.matchOrder(_askId);
        assertTrue(goesOn, "sixteen candidates were looked at");
        vm.prank(GRID);
        market.matchOrder(_askId);
        _assertDeal(2, _askId, honest, WH);
    }

    function test_afterAWhileTheyAreBroughtTogetherAgain() public {
        _abandon(USER, 1, Side.Bid);
        _bid(BUYER, CAP, WH);
        vm.warp(block.timestamp + 1 days - GATE_LEAD - 1);
        assertEq(market.dealCount(), 1, "apart");
        Settings memory settings = consortium.settings();
        settings.apartSeconds = 0;
        _change(settings);
        OrderId ask = _ask(SELLER, TICKS, WH);
        _abandon(SOURCE, 2, Side.Ask);
        _ask(SELLER, TICKS, WH);
        assertEq(market.dealCount(), 3, "the vote made it free");
        assertEq(market.order(ask).energyTypes, 0, "the turn is lost all the same");
    }

    function test_whatComesBackHasItsOldPriority() public {
        OrderId later = _ask(OTHER_SELLER, TICKS, WH);
        _assertFirstWaiting(Side.Ask, later);
        _abandon(USER, 1, Side.Bid);
        _assertFirstWaiting(Side.Ask, _askId);
        _assertDeal(2, _askId, _bid(OTHER_BUYER, TICKS, WH), WH);
    }

    function test_aPartyThatConfirmedCannotAbandonButTheOtherCan() public {
        _confirm(SOURCE, 1, Side.Ask);
        _expectDealPassedOver(1, Reason.ConfirmedAlready);
        _abandon(SOURCE, 1, Side.Ask);
        _abandon(USER, 1, Side.Bid);
        _assertState(1, DealState.Abandoned);
    }

    function test_nobodyAbandonsForAPartyOfAnotherMaster() public {
        _expectDealPassedOver(1, Reason.NotYourDeal);
        _abandon(GRID, 1, Side.Bid);
    }

    function test_aCancelledOrderGetsNothingBack() public {
        _cancel(_askId);
        _assertState(1, DealState.Intent);
        _abandon(USER, 1, Side.Bid);
        _assertNobodyWaits(Side.Ask);
        _assertOpen(_askId, 0);
    }

    // Expiring

    function test_aDealExpiresAfterTheCoolingOffTimeNotBefore() public {
        vm.warp(block.timestamp + COOLING_OFF);
        _expectDealPassedOver(1, Reason.WrongState);
        _expire(1);
        vm.warp(block.timestamp + 1);
        vm.expectEmit(address(market));
        emit IEnergyMarket.DealExpired(1);
        _expire(1);
        _assertState(1, DealState.Expired);
        _assertMoney(BUYER, DEPOSIT, 0);
        _assertNobodyWaits(Side.Ask);
        _assertNobodyWaits(Side.Bid);
    }

    function test_whoConfirmedKeepsTheTurnWhenTheDealExpires() public {
        _confirm(SOURCE, 1, Side.Ask);
        vm.warp(block.timestamp + COOLING_OFF + 1);
        _expire(1);
        _assertFirstWaiting(Side.Ask, _askId);
        _assertNobodyWaits(Side.Bid);
        _bid(BUYER, TICKS, WH);
        assertEq(market.dealCount(), 1, "not with the same master");
        _assertDeal(2, _askId, _bid(OTHER_BUYER, TICKS, WH), WH);
    }

    function test_aConfirmedDealDoesNotExpire() public {
        _confirmBoth(1);
        vm.warp(block.timestamp + COOLING_OFF + 1);
        _expectDealPassedOver(1, Reason.WrongState);
        _expire(1);
    }

    // Settling

    function test_settlementMovesMoneyAndEnergyClaims() public {
        _confirmBoth(1);
        vm.expectEmit(address(market));
        emit IEnergyMarket.DealSettled(1, MONEY);
        _settle(1);
        _assertState(1, DealState.Settled);
        _assertMoney(BUYER, DEPOSIT - MONEY, 0);
        _assertMoney(SELLER, DEPOSIT + MONEY, 0);
        assertEq(market.position(SELLER, PERIOD).heldWh, 0, "nothing held");
        assertEq(market.position(SELLER, PERIOD).soldWh, WH, "sold");
        assertEq(market.position(BUYER, PERIOD).boughtWh, WH, "bought");
    }

    /// @dev What a trader bought is the sum of what many sold: once it was narrower than that, and nothing settled any more.
    function test_whatATraderBoughtHasRoomForAllThatIsSold() public {
        _setCoolingOff(0);
        Settings memory settings = consortium.settings();
        settings.floorTicks = 0;
        _change(settings);
        uint40 largest = type(uint40).max;
        uint64[] memory dealIds = new uint64[](257);
        for (uint64 i; i < 257; ++i) {
            uint32 seller = i < 255 ? SELLER : OTHER_SELLER;
            if (i % 255 == 0) _setQuota(seller, type(uint48).max);
            _ask(seller, 0, largest);
            _bid(BUYER, 0, largest);
            dealIds[i] = i + 2;
        }
        vm.prank(GRID);
        market.settle(dealIds);
        _assertState(258, DealState.Settled);
        assertEq(market.position(BUYER, PERIOD).boughtWh, 257 * uint256(largest), "bought");
    }

    function test_aDealThatCannotBeSettledKeepsNoOtherFromIt() public {
        _ask(SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        _confirmBoth(2);
        uint64[] memory dealIds = new uint64[](4);
        (dealIds[0], dealIds[1], dealIds[2], dealIds[3]) = (1, 2, 2, 99);
        _expectDealPassedOver(1, Reason.WrongState);
        _expectSettled(2, MONEY);
        _expectDealPassedOver(2, Reason.WrongState);
        _expectDealPassedOver(99, Reason.WrongState);
        vm.prank(GRID);
        market.settle(dealIds);
        _assertState(2, DealState.Settled);
    }

    function test_anIntentDoesNotSettle() public {
        _expectDealPassedOver(1, Reason.WrongState);
        _settle(1);
    }

    function test_anEndedDealStaysAsItIs() public {
        _confirmBoth(1);
        _settle(1);
        _assertFinal(1, DealState.Settled);

        _ask(SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        _abandon(USER, 2, Side.Bid);
        _assertFinal(2, DealState.Abandoned);

        _ask(SELLER, TICKS - 1, 2 * WH);
        _bid(BUYER, TICKS, WH);
        vm.warp(block.timestamp + COOLING_OFF + 1);
        _expire(3);
        _assertFinal(3, DealState.Expired);
        _assertFinal(uint64(market.dealCount() + 1), DealState.None);
    }

    // Suspended parties

    function test_aDealOfASuspendedPartyDoesNotSettleAndExpiresAtOnce() public {
        _ask(OTHER_SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        _confirmBoth(2);
        _suspendAggregator();
        _expectDealPassedOver(2, Reason.PartySuspended);
        _settle(2);
        _expire(2);
        _assertState(2, DealState.Expired);
        assertEq(market.position(OTHER_SELLER, PERIOD).heldWh, 0, "quota free again");
    }

    function test_anIntentWithASuspendedPartyExpiresAtOnce() public {
        _ask(OTHER_SELLER, TICKS, WH);
        _bid(BUYER, TICKS, WH);
        _suspendAggregator();
        _expire(2);
        _assertState(2, DealState.Expired);
    }

    function test_onlyActiveMastersTouchDeals() public {
        _suspendAggregator();
        address[3] memory outsiders = [STRANGER, REGULATOR, AGGREGATOR];
        for (uint256 i; i < outsiders.length; ++i) {
            bytes memory reason = abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, outsiders[i]);
            vm.expectRevert(reason);
            _confirm(outsiders[i], 1, Side.Ask);
            vm.expectRevert(reason);
            _abandon(outsiders[i], 1, Side.Ask);
            vm.expectRevert(reason);
            vm.prank(outsiders[i]);
            market.expire(_one(1));
            vm.expectRevert(reason);
            vm.prank(outsiders[i]);
            market.settle(_one(1));
            vm.expectRevert(reason);
            vm.prank(outsiders[i]);
            market.matchOrder(_askId);
        }
    }

    function _assertMoney(uint32 trader, uint96 freeMoney, uint96 heldMoney) private view {
        Trader memory account = market.trader(trader);
        assertEq(account.freeMoney, freeMoney, "free money");
        assertEq(account.heldMoney, heldMoney, "held money");
    }

    function _expectSettled(uint64 dealId, uint96 money) private {
        vm.expectEmit(address(market));
        emit IEnergyMarket.DealSettled(dealId, money);
    }

    function _assertFinal(uint64 dealId, DealState state) private {
        _expectDealPassedOver(dealId, Reason.WrongState);
        _confirm(SOURCE, dealId, Side.Ask);
        _expectDealPassedOver(dealId, Reason.WrongState);
        _abandon(SOURCE, dealId, Side.Ask);
        _expectDealPassedOver(dealId, Reason.WrongState);
        _expire(dealId);
        _expectDealPassedOver(dealId, Reason.WrongState);
        _settle(dealId);
        _assertState(dealId, state);
    }
}
