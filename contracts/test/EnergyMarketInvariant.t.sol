// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Position, Trader} from "../src/interfaces/IAccounts.sol";
import {Deal, DealState} from "../src/interfaces/IEnergyMarket.sol";
import {OrderId, Side} from "../src/types/OrderId.sol";
import {Known, MarketHandler} from "./support/MarketHandler.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/// @title What holds after any sequence of calls
/// @notice The handler drives the market, and itself checks price-time priority and legality at every deal.
contract EnergyMarketInvariantTest is MarketTest {
    /// @dev As forge reads it: the functions of a contract that a campaign may call.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint24 private constant LATER_PERIOD = PERIOD + 96;
    uint96 private constant SMALL_DEPOSIT = 5e6;
    uint48 private constant SMALL_QUOTA = 1_000;

    MarketHandler private _handler;

    /// @dev As the handler says; it is not there yet when traders are registered.
    function _zoneOf(uint32 trader) internal pure override returns (uint8) {
        return trader % 3 == 0 ? 1 : 0;
    }

    function setUp() public override {
        super.setUp();
        for (uint32 trader = 1; trader <= TRADERS; ++trader) {
            _leaveMoney(trader, SMALL_DEPOSIT);
            _setQuota(trader, PERIOD, SMALL_QUOTA);
            _setQuota(trader, LATER_PERIOD, SMALL_QUOTA);
        }
        vm.warp(uint256(PERIOD) * 900 - GATE_LEAD - 100 minutes);
        _handler = new MarketHandler(consortium, market, PERIOD, LATER_PERIOD);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[17] memory all = [
            MarketHandler.ask.selector,
            MarketHandler.bid.selector,
            MarketHandler.amend.selector,
            MarketHandler.cancel.selector,
            MarketHandler.matchAgain.selector,
            MarketHandler.confirm.selector,
            MarketHandler.abandon.selector,
            MarketHandler.expire.selector,
            MarketHandler.settle.selector,
            MarketHandler.deposit.selector,
            MarketHandler.withdraw.selector,
            MarketHandler.moveDeposit.selector,
            MarketHandler.setQuota.selector,
            MarketHandler.publishTransfer.selector,
            MarketHandler.changeMember.selector,
            MarketHandler.changeSettings.selector,
            MarketHandler.passTime.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), new bytes4[](all.length));
        for (uint256 i; i < all.length; ++i) {
            targets[0].selectors[i] = all[i];
        }
    }

    function invariant_moneyIsConserved() public view {
        Deal[] memory deals = _deals();
        uint256 free;
        uint256 held;
        for (uint32 trader = 1; trader <= TRADERS; ++trader) {
            Trader memory account = market.trader(trader);
            free += account.freeMoney;
            held += account.heldMoney;
            assertEq(account.heldMoney, _moneyHeldOf(trader, deals), "open deals hold exactly their money");
        }
        (uint128 credited, uint128 debited) = market.moneyMoved();
        assertEq(free + held, credited - debited, "credited - debited == free + held");
    }

    function invariant_everyWattHourSoldIsBought() public view {
        Deal[] memory deals = _deals();
        for (uint24 period = PERIOD; period <= LATER_PERIOD; period += LATER_PERIOD - PERIOD) {
            uint256 sold;
            uint256 bought;
            for (uint32 trader = 1; trader <= TRADERS; ++trader) {
                Position memory claims = market.position(trader, period);
                sold += claims.soldWh;
                bought += claims.boughtWh;
                assertEq(claims.heldWh, _energyHeldOf(trader, period, deals), "open deals hold exactly their energy");
                assertLe(uint256(claims.heldWh) + claims.soldWh, claims.quotaWh, "held + sold <= quota");
            }
            assertEq(sold, bought, "sold == bought");
        }
    }

    function invariant_dealsBetweenZonesTakeExactlyTheirEnergy() public view {
        Deal[] memory deals = _deals();
        for (uint24 period = PERIOD; period <= LATER_PERIOD; period += LATER_PERIOD - PERIOD) {
            for (uint8 fromZone; fromZone < 2; ++fromZone) {
                uint256 carriedWh;
                for (uint256 i; i < deals.length; ++i) {
                    bool stands = _isOpen(deals[i]) || deals[i].state == DealState.Settled;
                    bool crosses = _zoneOf(deals[i].seller) == fromZone && _zoneOf(deals[i].buyer) != fromZone;
                    if (stands && crosses && deals[i].period == period) carriedWh += deals[i].energyWh;
                }
                assertEq(market.transferCapacity(period, fromZone, 1 - fromZone).usedWh, carriedWh, "used == carried");
            }
        }
    }

    function invariant_energyOfEveryOrderIsAccountedFor() public view {
        Known[] memory orders = _handler.orders();
        Deal[] memory deals = _deals();
        for (uint256 i; i < orders.length; ++i) {
            uint256 inDeals = _inDeals(orders[i], deals);
            assertEq(
                uint256(market.order(orders[i].id).openWh) + inDeals + orders[i].withdrawnWh,
                orders[i].energyWh,
                "open + in deals + withdrawn == energy of the order"
            );
        }
    }

    function invariant_noTradeAboveTheBidOrBelowTheAsk() public view {
        Deal[] memory deals = _deals();
        for (uint64 i; i < deals.length; ++i) {
            assertLe(deals[i].askTicks, deals[i].bidTicks, "the ask's price is not above the bid's");
            DealState ended = _handler.endedAs(i + 1);
            if (ended != DealState.None) assertEq(uint8(deals[i].state), uint8(ended), "an ended deal stays ended");
        }
    }

    function invariant_aRemovedOrderNeverTrades() public view {
        Known[] memory orders = _handler.orders();
        Deal[] memory deals = _deals();
        for (uint256 i; i < orders.length; ++i) {
            if (!orders[i].removed) continue;
            assertEq(market.order(orders[i].id).energyTypes, 0, "it is gone");
            for (uint256 j = orders[i].dealCountAtRemoval; j < deals.length; ++j) {
                assertFalse(_isIn(orders[i], deals[j]), "no deal after its removal");
            }
        }
    }

    function invariant_theBookListsWhatWaitsInPriceTimeOrder() public view {
        Known[] memory orders = _handler.orders();
        for (uint24 period = PERIOD; period <= LATER_PERIOD; period += LATER_PERIOD - PERIOD) {
            for (uint8 energyTypes = 1; energyTypes <= 3; ++energyTypes) {
                _assertListed(orders, period, Side.Ask, energyTypes);
                _assertListed(orders, period, Side.Bid, energyTypes);
            }
        }
    }

    /// @dev A run that reaches too little would prove too little.
    function afterInvariant() external view {
        uint256 ended = _handler.times("settled") + _handler.times("abandoned") + _handler.times("expired");
        assertTrue(_handler.times("deals") >= 5 && ended >= 3, "the run makes deals and ends some");
    }

    function _deals() private view returns (Deal[] memory deals) {
        deals = new Deal[](market.dealCount());
        for (uint64 i; i < deals.length; ++i) {
            deals[i] = market.deal(i + 1);
        }
    }

    function _moneyHeldOf(uint32 buyer, Deal[] memory deals) private pure returns (uint256 money) {
        for (uint256 i; i < deals.length; ++i) {
            if (_isOpen(deals[i]) && deals[i].buyer == buyer) money += uint256(deals[i].energyWh) * deals[i].askTicks;
        }
    }

    function _energyHeldOf(uint32 seller, uint24 period, Deal[] memory deals) private pure returns (uint256 energyWh) {
        for (uint256 i; i < deals.length; ++i) {
            bool holds = _isOpen(deals[i]) && deals[i].seller == seller && deals[i].period == period;
            if (holds) energyWh += deals[i].energyWh;
        }
    }

    /// @dev What open deals hold of an order, and what was settled.
    function _inDeals(Known memory known, Deal[] memory deals) private pure returns (uint256 energyWh) {
        for (uint256 i; i < deals.length; ++i) {
            bool counts = _isOpen(deals[i]) || deals[i].state == DealState.Settled;
            if (counts && _isIn(known, deals[i])) energyWh += deals[i].energyWh;
        }
    }

    function _isOpen(Deal memory agreed) private pure returns (bool) {
        return agreed.state == DealState.Intent || agreed.state == DealState.Confirmed;
    }

    function _isIn(Known memory known, Deal memory agreed) private pure returns (bool) {
        (uint16 ticks, uint16 turn) =
            known.side == Side.Ask ? (agreed.askTicks, agreed.askTurn) : (agreed.bidTicks, agreed.bidTurn);
        return agreed.period == known.period && ticks == known.ticks && turn == known.id.turn();
    }

    function _assertListed(Known[] memory orders, uint24 period, Side side, uint8 energyTypes) private view {
        (OrderId[] memory ids,) = market.waitingOrders(period, side, energyTypes, 0, orders.length + 1);
        uint256 waiting;
        for (uint256 i; i < orders.length; ++i) {
            bool belongs = orders[i].period == period && orders[i].side == side;
            if (belongs && orders[i].energyTypes & energyTypes != 0 && market.order(orders[i].id).openWh != 0) {
                ++waiting;
            }
        }
        assertEq(ids.length, waiting, "all that wait are listed");
        for (uint256 i = 1; i < ids.length; ++i) {
            assertTrue(ids[i - 1].place() < ids[i].place(), "in price-time order");
        }
    }
}
