// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Deal} from "../src/interfaces/IEnergyMarket.sol";
import {OrderId, Side} from "../src/types/OrderId.sol";
import {MarketTest} from "./support/MarketTest.sol";

/// @title The paper's regional market (section 4): Table 2 goes in, the six deals and Table 3 come out
contract PaperTest is MarketTest {
    uint40 private constant KWH = 1_000;

    /// @dev By the paper's number of the user; traders have the same numbers.
    OrderId[11] private _orders;

    function setUp() public override {
        super.setUp();
        // Table 2; user 10 starts published with 300 kWh left, as the paper's text has it.
        _orders[5] = _ask(5, 4_100, 240 * KWH);
        _orders[6] = _ask(6, 3_900, 280 * KWH);
        _orders[7] = _ask(7, 4_300, 700 * KWH);
        _orders[8] = _ask(8, 3_700, 230 * KWH);
        _orders[9] = _ask(9, 3_700, 150 * KWH);
        _orders[10] = _ask(10, 3_600, 300 * KWH);
        _orders[1] = _bid(1, 3_700, 600 * KWH);
        _orders[2] = _bid(2, 4_000, 360 * KWH);
        _orders[3] = _bid(3, 4_100, 240 * KWH);
        _orders[4] = _bid(4, 3_300, 350 * KWH);
    }

    function test_tenOrdersMakeExactlyThePapersSixDeals() public view {
        assertEq(market.dealCount(), 6, "six deals");
        _assertPaperDeal(1, 10, 1, 300 * KWH, 3_600);
        _assertPaperDeal(2, 8, 1, 230 * KWH, 3_700);
        _assertPaperDeal(3, 9, 1, 70 * KWH, 3_700);
        _assertPaperDeal(4, 9, 2, 80 * KWH, 3_700);
        _assertPaperDeal(5, 6, 2, 280 * KWH, 3_900);
        _assertPaperDeal(6, 5, 3, 240 * KWH, 4_100);
    }

    function test_usersFourAndSevenStayPublished() public view {
        for (uint256 user = 1; user <= 10; ++user) {
            _assertOpen(_orders[user], user == 4 ? 350 * KWH : user == 7 ? 700 * KWH : 0);
        }
        _assertFirstWaiting(Side.Bid, _orders[4]);
        _assertFirstWaiting(Side.Ask, _orders[7]);
    }

    function test_confirmedAndSettledTheDealsMoveMoneyAndEnergyClaims() public {
        for (uint64 dealId = 1; dealId <= 6; ++dealId) {
            _confirmBoth(dealId);
            _settle(dealId);
        }
        uint96 paid = 300 * KWH * 3_600 + 300 * KWH * 3_700;
        assertEq(market.trader(1).freeMoney, DEPOSIT - paid, "user 1 has paid");
        assertEq(market.position(1, PERIOD).boughtWh, 600 * KWH, "user 1 has bought");
        assertEq(market.trader(9).freeMoney, DEPOSIT + 150 * KWH * 3_700, "user 9 was paid");
        assertEq(market.position(9, PERIOD).soldWh, 150 * KWH, "user 9 has sold");
    }

    function _assertPaperDeal(uint64 dealId, uint32 seller, uint32 buyer, uint40 energyWh, uint16 ticks) private view {
        Deal memory agreed = market.deal(dealId);
        assertEq(agreed.seller, seller, "seller");
        assertEq(agreed.buyer, buyer, "buyer");
        assertEq(agreed.energyWh, energyWh, "energy");
        assertEq(agreed.askTicks, ticks, "price");
    }
}
